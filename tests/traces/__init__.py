"""Tests of app/traces."""
