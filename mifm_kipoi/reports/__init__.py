"""Reports as pages and figures."""
