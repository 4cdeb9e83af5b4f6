"""An agent of Mesos with one container, as far as mesos-disk-watcher asks: whose it is, its limit, its first process.
Arguments: the work directory and the first process. Killing the container kills that."""

import http.server
import json
import os
import sys

WORK_DIR, PID = sys.argv[1], int(sys.argv[2])
STATUS = {"container_id": {"value": "C"}, "executor_pid": PID}
IDS = {"framework_id": {"value": "F"}, "executor_id": {"value": "E"}}


def lives():
    try:
        os.kill(PID, 0)
        return True
    except ProcessLookupError:
        return False


def state():
    disk = {"name": "disk", "type": "SCALAR", "scalar": {"value": 10.0}}
    executor = {"executor_info": {**IDS, "resources": [disk]}}
    task = {**IDS, "task_id": {"value": "T"}, "name": "T", "state": "TASK_RUNNING",
            "statuses": [{"container_status": STATUS}]}
    framework = {"framework_info": {"user": "root", "name": "marathon", "id": {"value": "F"}, "roles": ["*"]}}
    return {"get_tasks": {"launched_tasks": [task] if lives() else []},
            "get_executors": {"executors": [executor] if lives() else []},
            "get_frameworks": {"frameworks": [framework]}}


class Agent(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        listed = {"container_id": "C", "framework_id": "F", "executor_id": "E", "status": STATUS}
        self.answer([listed] if lives() else [])

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        what = call["type"]
        if what == "GET_FLAGS":
            self.answer({"type": what, "get_flags": {"flags": [{"name": "work_dir", "value": WORK_DIR}]}})
        elif what == "GET_STATE":
            self.answer({"type": what, "get_state": state()})
        elif what == "GET_CONTAINERS":
            containers = [{**IDS, "container_id": {"value": "C"}, "container_status": STATUS}] if lives() else []
            self.answer({"type": what, "get_containers": {"containers": containers}})
        else:
            os.kill(PID, 9)
            self.answer({})


http.server.ThreadingHTTPServer(("127.0.0.1", 5051), Agent).serve_forever()
