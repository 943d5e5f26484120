"""The paper's evaluations on one page: what was found, beside what the paper reports and beside controls."""
