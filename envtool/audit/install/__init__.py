"""What a project runs: install commands in Dockerfiles, CI, Makefiles and scripts, with the environment they see."""
