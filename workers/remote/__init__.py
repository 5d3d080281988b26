"""What every executor on Ray shares: the cluster, messages, runners and runs."""
