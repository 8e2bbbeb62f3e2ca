"""The oracle: a slow, independent count of what the service must have counted, for tests, chaos and benchmarks."""
