"""Floor 6: the HTTP side door, where bulk bytes come and go beside gRPC."""
