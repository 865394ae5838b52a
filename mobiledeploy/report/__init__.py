"""The record of an export, and its views."""
