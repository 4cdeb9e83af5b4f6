//! An agent that does what a test wants: a small HTTP server on loopback which notes all that it receives, and answers
//! as a real agent does unless the test has said otherwise.

pub(crate) mod certificates;
mod contract;
pub(crate) mod events;
mod http;
pub(crate) mod link;

use std::io::BufReader;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mesos_proto::prost::Message;
use mesos_proto::v1::executor::{Call, Event, call};
use mesos_proto::v1::{TaskState, TaskStatus};
use socket2::{Domain, Socket, Type};

use contract::Contract;
use http::{Request, Stream, answer, record};

/// How long anything may take that has to come: long enough for a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Between an acknowledgement and the 202 it overtakes.
const OVERTAKEN_BY: Duration = Duration::from_millis(300);

/// What the agent does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// What a healthy one does: SUBSCRIBED to SUBSCRIBE, 202 and ACKNOWLEDGED to UPDATE.
    Usual,
    /// 200 with an empty stream, or 202 and no acknowledgement.
    Bare,
    /// ACKNOWLEDGED, and 202 some time after.
    AcknowledgedFirst,
    /// A status with a text.
    Status(u16, &'static str),
    /// None, with the connection left open.
    Silence,
    /// None, with the connection closed.
    Close,
}

/// A call as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) request: Request,
    pub(crate) call: Call,
}

/// The agent. It listens from [`Agent::listen`] on until it is dropped.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    listener: Arc<Socket>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

type Rule = Box<dyn FnMut(&Received) -> Answer + Send>;

struct State {
    /// Where executors find it, which they say in each call.
    address: String,
    received: Vec<Received>,
    rule: Rule,
    /// That of the newest SUBSCRIBE.
    stream: Option<Stream>,
    /// Every connection there has been.
    connections: Vec<TcpStream>,
    contract: Contract,
    /// What was wrong with the calls.
    breaches: Vec<String>,
}

impl Agent {
    /// An agent that answers as a healthy one.
    pub(crate) fn start() -> Self {
        let mut agent = Self::deaf();
        agent.listen();
        agent
    }

    /// An agent whose address is taken but refuses connections.
    pub(crate) fn deaf() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let state = State {
            address: address.to_string(),
            received: Vec::new(),
            rule: Box::new(|_| Answer::Usual),
            stream: None,
            connections: Vec::new(),
            contract: Contract::default(),
            breaches: Vec::new(),
        };
        Self {
            address,
            listener: Arc::new(listener),
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
            accepting: None,
        }
    }

    /// Takes connections from now on.
    pub(crate) fn listen(&mut self) {
        self.listener.listen(16).unwrap();
        let (listener, shared) = (Arc::clone(&self.listener), Arc::clone(&self.shared));
        self.accepting = Some(thread::spawn(move || accept(&listener, &shared)));
    }

    /// Is found at another address from now on, where something passes everything on.
    pub(crate) fn is_behind(&self, address: &str) {
        self.shared.lock().address = address.to_owned();
    }

    /// Where executors find it.
    pub(crate) fn endpoint(&self) -> String {
        self.shared.lock().address.clone()
    }

    /// Decides about every call from now on.
    pub(crate) fn answer(&self, rule: impl FnMut(&Received) -> Answer + Send + 'static) {
        self.shared.lock().rule = Box::new(rule);
    }

    /// Sends events on the newest stream, all in one chunk.
    pub(crate) fn send(&self, events: &[Event]) {
        let bytes: Vec<u8> = events.iter().flat_map(record).collect();
        self.on_stream(|stream| stream.chunk(&bytes).unwrap());
    }

    /// Sends events on the newest stream, byte by byte.
    pub(crate) fn trickle(&self, events: &[Event]) {
        let bytes: Vec<u8> = events.iter().flat_map(record).collect();
        self.on_stream(|stream| stream.trickle(&bytes).unwrap());
    }

    /// Sends bytes that may be anything on the newest stream.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        self.on_stream(|stream| stream.chunk(bytes).unwrap());
    }

    /// Sends the first half of an event, then closes the newest stream's connection.
    pub(crate) fn cut_in_the_middle_of(&self, event: &Event) {
        let bytes = record(event);
        self.on_stream(|stream| stream.chunk(&bytes[..bytes.len() / 2]).unwrap());
        self.cut();
    }

    /// Closes the newest stream's connection.
    pub(crate) fn cut(&self) {
        let stream = self.shared.lock().stream.take();
        stream.expect("a stream").cut();
    }

    /// Closes every connection but the newest stream's.
    pub(crate) fn close_calls(&self) {
        let state = self.shared.lock();
        let stream = state.stream.as_ref().map(|stream| stream.connection);
        for (number, connection) in state.connections.iter().enumerate() {
            if stream != Some(number) {
                // Those of earlier subscriptions are closed already.
                let _closed = connection.shutdown(Shutdown::Both);
            }
        }
    }

    fn on_stream(&self, act: impl FnOnce(&mut Stream)) {
        act(self.shared.lock().stream.as_mut().expect("a stream"));
    }

    /// Waits until `look` finds something in what was received.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&[Received]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            state.assert_contract();
            if let Some(found) = look(&state.received) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not come, but {:#?}",
                state.received
            );
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the SUBSCRIBE of this number, the first being 1.
    pub(crate) fn wait_for_subscribe(&self, number: usize) -> Received {
        self.wait_for(&format!("SUBSCRIBE number {number}"), |received| {
            let mut subscribes = received.iter().filter(|one| one.is_subscribe());
            subscribes.nth(number - 1).cloned()
        })
    }

    /// Waits for the update that brings a task into a state.
    pub(crate) fn wait_for_state(&self, task: &str, state: TaskState) -> TaskStatus {
        self.wait_for(&format!("{state:?} of task {task}"), |received| {
            let mut all = statuses(received, task);
            all.find(|status| status.state() == state).cloned()
        })
    }

    /// How many SUBSCRIBEs there were.
    pub(crate) fn subscribes(&self) -> usize {
        let state = self.shared.lock();
        let subscribes = state.received.iter().filter(|one| one.is_subscribe());
        subscribes.count()
    }

    /// Every update of a task in the order of arrival, also those that came again.
    pub(crate) fn statuses(&self, task: &str) -> Vec<TaskStatus> {
        let state = self.shared.lock();
        statuses(&state.received, task).cloned().collect()
    }

    /// The states that a task was reported in, in the order of arrival.
    pub(crate) fn states(&self, task: &str) -> Vec<TaskState> {
        let all = self.statuses(task);
        all.iter().map(TaskStatus::state).collect()
    }

    /// All that was received.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // One that never listened cannot be shut down, and need not be.
        let _deaf = self.listener.shutdown(Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _panicked = accepting.join();
        }
        let state = self.shared.lock();
        for connection in &state.connections {
            let _closed = connection.shutdown(Shutdown::Both);
        }
        if !thread::panicking() {
            state.assert_contract();
        }
    }
}

impl Received {
    pub(crate) fn is_subscribe(&self) -> bool {
        self.call.subscribe.is_some()
    }

    /// The status that an UPDATE brought.
    pub(crate) fn status(&self) -> Option<&TaskStatus> {
        self.call.update.as_ref().map(|update| &update.status)
    }

    /// What a SUBSCRIBE carried.
    pub(crate) fn unacknowledged(&self) -> &call::Subscribe {
        self.call.subscribe.as_ref().expect("a SUBSCRIBE")
    }

    fn all_statuses(&self) -> impl Iterator<Item = &TaskStatus> {
        let subscribe = self.call.subscribe.iter();
        let carried = subscribe.flat_map(|subscribe| &subscribe.unacknowledged_updates);
        let carried = carried.map(|update| &update.status);
        carried.chain(self.status())
    }
}

fn statuses<'a>(received: &'a [Received], task: &str) -> impl Iterator<Item = &'a TaskStatus> {
    let all = received.iter().flat_map(Received::all_statuses);
    all.filter(move |status| status.task_id.value == task)
}

impl Shared {
    /// A test that failed with the lock held must not make another failure of it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn assert_contract(&self) {
        assert!(self.breaches.is_empty(), "{:#?}", self.breaches);
    }

    /// Tells the executor of something, if it can be told.
    fn tell(&mut self, event: &Event) {
        if let Some(stream) = &mut self.stream {
            // The executor may have closed it, and will subscribe again.
            let _closed = stream.chunk(&record(event));
        }
    }
}

fn accept(listener: &Socket, shared: &Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept() {
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true).unwrap();
        let number = {
            let mut state = shared.lock();
            state.connections.push(socket.try_clone().unwrap());
            state.connections.len() - 1
        };
        let shared = Arc::clone(shared);
        // Ends with its connection, at the latest when the agent is dropped.
        thread::spawn(move || serve(&shared, number, socket));
    }
}

/// Answers the calls of one connection until it is closed.
fn serve(shared: &Shared, number: usize, mut socket: TcpStream) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    while let Ok(Some(request)) = Request::read(&mut reader) {
        let mut state = shared.lock();
        let call = match Call::decode(&request.body[..]) {
            Ok(call) => call,
            Err(error) => {
                state.breaches.push(format!("{request:?}: {error}"));
                continue;
            }
        };
        let address = state.address.clone();
        let checked = state.contract.check(&address, number, &request, &call);
        if let Err(breach) = checked {
            state.breaches.push(format!("{breach}: {call:?}"));
        }
        let received = Received { request, call };
        let decided = (state.rule)(&received);
        state.received.push(received.clone());
        let answered = carry_out(shared, state, decided, number, &mut socket, &received);
        shared.changed.notify_all();
        if answered.is_err() {
            return;
        }
    }
}

/// What the test finds out by the received call is done when it does: the state is held until then.
fn carry_out(
    shared: &Shared,
    mut state: MutexGuard<'_, State>,
    decided: Answer,
    number: usize,
    socket: &mut TcpStream,
    received: &Received,
) -> std::io::Result<()> {
    let acknowledgements: Vec<Event> = received.all_statuses().map(events::acknowledged).collect();
    match decided {
        Answer::Usual | Answer::Bare if received.is_subscribe() => {
            state.stream = Some(Stream::begin(number, socket.try_clone()?)?);
            if matches!(decided, Answer::Usual) {
                state.tell(&events::subscribed());
                for event in &acknowledgements {
                    state.tell(event);
                }
            }
        }
        Answer::Usual => {
            answer(socket, 202, "")?;
            for event in &acknowledgements {
                state.tell(event);
            }
        }
        Answer::Bare => answer(socket, 202, "")?,
        Answer::AcknowledgedFirst => {
            for event in &acknowledgements {
                state.tell(event);
            }
            drop(state);
            shared.changed.notify_all();
            thread::sleep(OVERTAKEN_BY);
            answer(socket, 202, "")?;
        }
        Answer::Status(status, text) => answer(socket, status, text)?,
        Answer::Silence => {}
        Answer::Close => socket.shutdown(Shutdown::Both)?,
    }
    Ok(())
}

/// Gives these answers to the first SUBSCRIBEs; from then on the usual ones.
pub(crate) fn at_first<const N: usize>(
    answers: [Answer; N],
) -> impl FnMut(&Received) -> Answer + Send {
    let mut answers = answers.into_iter();
    move |received| {
        let answer = received.is_subscribe().then(|| answers.next()).flatten();
        answer.unwrap_or(Answer::Usual)
    }
}

/// Answers as a healthy agent does, but acknowledges no UPDATE.
pub(crate) fn never_acknowledging(received: &Received) -> Answer {
    if received.is_subscribe() {
        Answer::Usual
    } else {
        Answer::Bare
    }
}
