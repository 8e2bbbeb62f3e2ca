"""Databases of earlier releases, and that this version upgrades them: dumps, the script that makes one, the test."""
