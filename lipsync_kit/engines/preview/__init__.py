"""The preview engine: a talking head made on this machine, for nothing."""
