collect_ignore = ["make.py"]  # a script, which takes part in no test
