"""Work spread over devices and machines with Ray: one actor for each device, one driver that owns the archive."""
