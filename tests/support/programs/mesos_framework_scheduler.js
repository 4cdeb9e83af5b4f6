// A scheduler made with mesos-framework, for tests: it launches the tasks of its options, does what it is told on its
// input, and tells on its output what it hears.
//
// Usage: mesos_framework_scheduler.js PORT LOGS OPTIONS, where LOGS is a directory and OPTIONS the JSON of the options of
// mesos-framework's Scheduler, each task with "command" (a CommandInfo in JSON) in place of "commandInfo".
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

// mesos-framework's protocol is that of Mesos 0.28, whose health checks had no type yet; since 1.2 a master refuses one
// without. It passes on what is added to its message.
function healthCheck({ http, delay, interval, timeout, failures, grace }) {
  const request = new mesos.HealthCheck.HTTP(http.port, http.path, http.statuses);
  const check = new mesos.HealthCheck(request, delay, interval, timeout, failures, grace);
  check.type = "HTTP";
  return check;
}

const [port, logs, text] = process.argv.slice(2);
const options = JSON.parse(text);
for (const task of Object.values(options.tasks)) {
  task.commandInfo = commandInfo(task.command);
  delete task.command;
  if (task.typedHealthCheck) {
    task.mesosHealthCheck = healthCheck(task.typedHealthCheck);
    delete task.typedHealthCheck;
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
