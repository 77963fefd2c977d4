"""Answers without a language model: sentences are found, weighed, ordered and cited, never written."""
