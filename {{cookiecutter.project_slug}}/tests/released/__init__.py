"""Servables of released contracts, and the script that writes one."""
