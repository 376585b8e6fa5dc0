"""One room per family of RPCs; each ends with its table `RPCS`."""
