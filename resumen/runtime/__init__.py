"""Runtime: command lines, errors, progress, locks, files, the hub's client.

Nothing here can change a number that a stage writes, so no stage depends on it in dvc.yaml. (The number of
threads can: it counts as the machine.)
"""
