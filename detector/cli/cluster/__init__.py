"""`jikimi cluster`: more cameras than one box can watch, and boxes that stand in for each other."""
