"""The peer: an executor made with pymesos as its own example is (examples/executor.py there), which runs the shell command
in the task's data by subprocess, without any sandbox, and reports RUNNING and how it ended.

Usage: pymesos_executor.py [--pretend]: with that it runs nothing and reports at once what would have happened, so that
what is left is what master, agent and scheduler take.
"""
import signal
import subprocess
import sys
import threading

from pymesos import Executor, MesosExecutorDriver, decode_data


class PlainExecutor(Executor):
    def __init__(self):
        self.processes = {}

    def launchTask(self, driver, task):
        if "--pretend" in sys.argv:
            for state in "TASK_RUNNING", "TASK_FINISHED":
                driver.sendStatusUpdate({"task_id": task["task_id"], "state": state})
            return
        threading.Thread(target=self.run, args=(driver, task), daemon=True).start()

    def run(self, driver, task):
        process = subprocess.Popen(decode_data(task["data"]).decode(), shell=True)
        self.processes[task["task_id"]["value"]] = process
        driver.sendStatusUpdate({"task_id": task["task_id"], "state": "TASK_RUNNING"})
        state = "TASK_FAILED" if process.wait() else "TASK_FINISHED"
        driver.sendStatusUpdate({"task_id": task["task_id"], "state": state})

    def killTask(self, driver, task_id):
        self.processes[task_id["value"]].send_signal(signal.SIGTERM)

    def shutdown(self, driver):
        for process in self.processes.values():
            process.kill()


MesosExecutorDriver(PlainExecutor()).run()
