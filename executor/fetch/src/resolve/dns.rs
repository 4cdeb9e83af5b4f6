//! Asking DNS servers: over UDP, over TCP when an answer is too long for it.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};

use super::{Config, ResolveError};

/// The longest answer over UDP, as no extension is asked for (RFC 1035, 4.2.1).
const LONGEST: usize = 512;

/// What a server says of one name.
enum Answer {
    Addresses(Vec<IpAddr>),
    Truncated,
}

/// The addresses of `host`, those of version 4 first, at least one.
pub(super) fn resolve(
    host: &str,
    config: &Config,
    until: Option<Instant>,
) -> Result<Vec<IpAddr>, ResolveError> {
    let mut unanswered = None;
    for name in config.candidates(host) {
        let mut found = Vec::new();
        for kind in [TYPE::A, TYPE::AAAA] {
            match ask_all(&name, kind, config, until) {
                Ok(addresses) => found.extend(addresses),
                Err(error) => unanswered = Some(error),
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let host = host.to_owned();
    match unanswered {
        Some(last) => Err(ResolveError::NoAnswer {
            host,
            last: Box::new(last),
        }),
        None => Err(ResolveError::Unknown { host }),
    }
}

/// The first answer of any server; none of the servers' addresses is an answer, too.
fn ask_all(
    name: &str,
    kind: TYPE,
    config: &Config,
    until: Option<Instant>,
) -> Result<Vec<IpAddr>, ResolveError> {
    let mut last = None;
    for server in (0..config.attempts).flat_map(|_| &config.servers) {
        let left = until.map_or(config.timeout, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            break;
        }
        match ask(name, kind, *server, config.timeout.min(left)) {
            Ok(addresses) => return Ok(addresses),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(ResolveError::Late))
}

fn ask(
    name: &str,
    kind: TYPE,
    server: SocketAddr,
    timeout: Duration,
) -> Result<Vec<IpAddr>, ResolveError> {
    let asking = |source: io::Error| ResolveError::Ask { server, source };
    let mut number = [0; 2];
    rustix::rand::getrandom(&mut number, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| asking(errno.into()))?;
    let id = u16::from_ne_bytes(number);
    let query = query(name, kind, id).ok_or_else(|| ResolveError::Name {
        host: name.to_owned(),
    })?;

    let deadline = Instant::now() + timeout;
    let answer = over_udp(&query, server, deadline).map_err(asking)?;
    match understand(&answer, server)? {
        Answer::Addresses(addresses) => Ok(addresses),
        Answer::Truncated => {
            let answer = over_tcp(&query, server, deadline).map_err(asking)?;
            match understand(&answer, server)? {
                Answer::Addresses(addresses) => Ok(addresses),
                Answer::Truncated => Err(ResolveError::Garbled { server }),
            }
        }
    }
}

fn query(name: &str, kind: TYPE, id: u16) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Question::new(Name::new(name).ok()?, kind.into(), CLASS::IN.into(), false);
    packet.questions.push(question);
    packet.build_bytes_vec().ok()
}

fn over_udp(query: &[u8], server: SocketAddr, deadline: Instant) -> io::Result<Vec<u8>> {
    let local: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(server)?;
    socket.send(query)?;
    let mut buffer = [0; LONGEST];
    loop {
        socket.set_read_timeout(Some(wait(deadline)?))?;
        let length = socket.recv(&mut buffer)?;
        // Anything else may be a late answer to a question before, or somebody's guess.
        if answers(&buffer[..length], query) {
            return Ok(buffer[..length].to_vec());
        }
    }
}

fn over_tcp(query: &[u8], server: SocketAddr, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, wait(deadline)?)?;
    stream.set_write_timeout(Some(wait(deadline)?))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.set_read_timeout(Some(wait(deadline)?))?;
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.set_read_timeout(Some(wait(deadline)?))?;
    stream.read_exact(&mut answer)?;
    if !answers(&answer, query) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the answer is to another question",
        ));
    }
    Ok(answer)
}

fn wait(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

/// Whether `answer` is one to `query`: number and question are repeated in it.
fn answers(answer: &[u8], query: &[u8]) -> bool {
    let (Ok(answer), Ok(query)) = (Packet::parse(answer), Packet::parse(query)) else {
        return false;
    };
    let (Some(given), Some(asked)) = (answer.questions.first(), query.questions.first()) else {
        return false;
    };
    answer.has_flags(PacketFlag::RESPONSE)
        && answer.id() == query.id()
        && given.qtype == asked.qtype
        && given
            .qname
            .to_string()
            .eq_ignore_ascii_case(&asked.qname.to_string())
}

fn understand(answer: &[u8], server: SocketAddr) -> Result<Answer, ResolveError> {
    let packet = Packet::parse(answer).map_err(|_| ResolveError::Garbled { server })?;
    match packet.rcode() {
        RCODE::NoError if packet.has_flags(PacketFlag::TRUNCATION) => Ok(Answer::Truncated),
        // The server has followed the aliases, and all that is said of them is about the name asked for.
        RCODE::NoError => Ok(Answer::Addresses(
            packet
                .answers
                .iter()
                .filter_map(|record| match &record.rdata {
                    RData::A(a) => Some(IpAddr::from(Ipv4Addr::from(a.address))),
                    RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from(aaaa.address))),
                    _ => None,
                })
                .collect(),
        )),
        RCODE::NameError => Ok(Answer::Addresses(Vec::new())),
        code => Err(ResolveError::Refused {
            server,
            code: format!("{code:?}"),
        }),
    }
}

#[cfg(test)]
mod tests;
