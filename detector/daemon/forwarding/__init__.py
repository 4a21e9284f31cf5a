"""Of a cluster: alerts for a sink that hangs on another box, over the journal that all share."""
