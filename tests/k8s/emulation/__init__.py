"""A cluster on one machine: pods are processes of the real services, each in a network namespace of its own.

What it does is read from the rendered manifests: settings, probes, preStop, grace periods, network policies.
It has to run as root, in namespaces of its own for network, mounts and processes, which `test_cluster.py`
makes; nothing of it is left when it ends.
"""
