"""What the databases of the graphs, and the servers, say to Prometheus: SELECTs of bounded cost, and bounded waits."""
