// A scheduler made with mesos-framework, for tests: it launches the tasks of its options, does what it is told on its
// input, and tells on its output what it hears.
//
// Usage: mesos_framework_scheduler.js PORT LOGS OPTIONS, where LOGS is a directory and OPTIONS the JSON of the options of
// mesos-framework's Scheduler, each task with "command" (a CommandInfo in JSON) in place of "commandInfo", and perhaps
// "timedHealthCheck".
// A JSON command a line:
//   {"kill": {"task": TASK ID, "agent": AGENT ID}}
// The end of its input ends the framework. A JSON event a line, among mesos-framework's own log:
//   {"registered": FRAMEWORK ID}, {"update": TaskStatus}, {"error": TEXT}
"use strict";

const { Scheduler, Mesos } = require("mesos-framework");
const mesos = Mesos.getMesos();

function tell(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

function commandInfo({ value, shell, arguments: words, environment, user }) {
  const variables = Object.entries(environment || {}).map(([name, text]) => new mesos.Environment.Variable(name, text));
  const given = variables.length > 0 ? new mesos.Environment(variables) : null;
  return new mesos.CommandInfo(null, given, shell !== false, value, words || null, user || null);
}

// Its times come with the options; mesos-framework's own `healthCheck` has only Mesos's defaults, which are long for a
// test. Neither has a type, which Mesos 0.28 did not know: the master fills it in.
function healthCheck({ http, delay, interval, timeout, failures, grace }) {
  const request = new mesos.HealthCheck.HTTP(http.port, http.path, http.statuses);
  return new mesos.HealthCheck(request, delay, interval, timeout, failures, grace);
}

const [port, logs, text] = process.argv.slice(2);
const options = JSON.parse(text);
for (const task of Object.values(options.tasks)) {
  task.commandInfo = commandInfo(task.command);
  delete task.command;
  if (task.timedHealthCheck) {
    task.mesosHealthCheck = healthCheck(task.timedHealthCheck);
    delete task.timedHealthCheck;
  }
}
const scheduler = new Scheduler({
  masterUrl: "127.0.0.1",
  port,
  logging: { path: logs, fileName: "mesos-framework.log", level: "info" },
  ...options,
});
scheduler.on("ready", () => scheduler.subscribe());
scheduler.on("subscribed", ({ frameworkId }) => tell({ registered: frameworkId }));
scheduler.on("update", ({ status }) => tell({ update: status }));
scheduler.on("error", (error) => tell({ error: `${error.message || error}\n${error.stack || ""}` }));
scheduler.on("sent_teardown", () => process.exit(0));

let read = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (read + chunk).split("\n");
  read = lines.pop();
  for (const line of lines) {
    const { kill } = JSON.parse(line);
    scheduler.kill(kill.task, kill.agent);
  }
});
process.stdin.on("end", () => scheduler.teardown());
