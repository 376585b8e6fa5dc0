"""How containers are reached through tunnels, and where their connections come from."""
