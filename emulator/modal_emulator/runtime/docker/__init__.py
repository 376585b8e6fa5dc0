"""Containers that Docker makes."""
