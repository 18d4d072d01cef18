"""The only doors to the outside: processes, files, the network, the platform."""
