"""A scheduler made with pymesos, for tests: it does what it is told on its input, and tells on its output what it hears.

Usage: pymesos_scheduler.py HOST:PORT FRAMEWORK, where FRAMEWORK is the JSON of a FrameworkInfo. A JSON command a line:
  {"launch": [TaskInfo, ...]}                      from the next offers; agent_id is filled in, data is plain text
  {"kill": TASK ID}
  {"message": {"executor": ID, "data": TEXT}}
The end of its input ends the framework. A JSON event a line:
  {"registered": FRAMEWORK ID}
  {"update": TaskStatus}
  {"message": {"executor": ID, "data": TEXT}}
  {"lost": {"executor": ID, "status": NUMBER}}
  {"error": TEXT}
"""
import json
import sys
import threading

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

lock = threading.Lock()


def tell(**event):
    with lock:
        print(json.dumps(event), flush=True)


class TestScheduler(Scheduler):
    def __init__(self):
        self.waiting = []
        self.agent = None

    def registered(self, driver, framework_id, master_info):
        tell(registered=framework_id["value"])

    def resourceOffers(self, driver, offers):
        for offer in offers:
            with lock:
                tasks, self.waiting = self.waiting, []
            if not tasks:
                driver.declineOffer(offer["id"], {"refuse_seconds": 0.1})
                continue
            self.agent = offer["agent_id"]
            for task in tasks:
                task["agent_id"] = offer["agent_id"]
                if "data" in task:
                    task["data"] = encode_data(task["data"].encode())
            driver.launchTasks(offer["id"], tasks, {"refuse_seconds": 0.1})

    def statusUpdate(self, driver, update):
        tell(update=update)

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        tell(message={"executor": executor_id["value"], "data": decode_data(message).decode()})

    def executorLost(self, driver, executor_id, agent_id, status):
        tell(lost={"executor": executor_id["value"], "status": status})

    def error(self, driver, message):
        tell(error=message)


def obey(command, scheduler, driver):
    if "launch" in command:
        with lock:
            scheduler.waiting += command["launch"]
        driver.reviveOffers()
    elif "kill" in command:
        driver.killTask({"value": command["kill"]})
    elif "message" in command:
        message = command["message"]
        driver.sendFrameworkMessage({"value": message["executor"]}, scheduler.agent, encode_data(message["data"].encode()))
    else:
        raise ValueError(f"no such command: {command}")


def main():
    scheduler = TestScheduler()
    driver = MesosSchedulerDriver(scheduler, json.loads(sys.argv[2]), sys.argv[1])
    driver.start()
    for line in sys.stdin:
        obey(json.loads(line), scheduler, driver)
    driver.stop()
    driver.join()


main()
