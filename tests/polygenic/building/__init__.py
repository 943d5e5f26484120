"""Tests of building polygenic scores."""
