use std::net::TcpListener;

use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, AAAA, CNAME};

use super::*;

/// A server that answers each question as `answer` says; none is silence.
struct Server {
    address: SocketAddr,
    stop: UdpSocket,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn new(answer: impl Fn(&str, bool) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::on(UdpSocket::bind("127.0.0.1:0").unwrap(), answer)
    }

    fn on(
        socket: UdpSocket,
        answer: impl Fn(&str, bool) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let address = socket.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 600];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                if length == 0 {
                    return;
                }
                let query = Packet::parse(&buffer[..length]).unwrap();
                let question = &query.questions[0];
                let six = question.qtype == TYPE::AAAA.into();
                if let Some(mut answer) = answer(&question.qname.to_string(), six) {
                    answer[..2].copy_from_slice(&buffer[..2]);
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Self {
            address,
            stop: UdpSocket::bind("127.0.0.1:0").unwrap(),
            thread: Some(thread),
        }
    }

    fn config(&self) -> Config {
        Config {
            servers: vec![self.address],
            search: vec!["example.com".to_owned()],
            dots: 1,
            timeout: Duration::from_secs(10),
            attempts: 1,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_to(&[], self.address).unwrap();
        let result = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || result.is_ok());
    }
}

fn answer(name: &str, six: bool, records: Vec<RData<'static>>) -> Packet<'static> {
    let name = Name::new(name).unwrap().into_owned();
    let mut packet = Packet::new_reply(0);
    let kind = if six { TYPE::AAAA } else { TYPE::A };
    packet.questions.push(Question::new(
        name.clone(),
        kind.into(),
        CLASS::IN.into(),
        false,
    ));
    for rdata in records {
        packet
            .answers
            .push(ResourceRecord::new(name.clone(), CLASS::IN, 60, rdata));
    }
    packet
}

fn four(last: u8) -> RData<'static> {
    RData::A(A {
        address: u32::from(Ipv4Addr::new(10, 0, 0, last)),
    })
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn both_kinds_of_addresses_are_asked_for_and_aliases_are_followed_by_the_server() {
    let server = Server::new(|name, six| {
        let records = if six {
            vec![RData::AAAA(AAAA { address: 1 })]
        } else {
            vec![
                RData::CNAME(CNAME(Name::new("real.example.org").unwrap().into_owned())),
                four(1),
                four(2),
            ]
        };
        answer(name, six, records).build_bytes_vec().ok()
    });
    let found = resolve("files.example.org", &server.config(), None).unwrap();
    assert_eq!(found, addresses(&["10.0.0.1", "10.0.0.2", "::1"]));
}

#[test]
fn a_short_name_is_searched_for_in_the_domains() {
    let server = Server::new(|name, six| {
        let known = name == "files.example.com" && !six;
        let mut packet = answer(name, six, if known { vec![four(7)] } else { Vec::new() });
        if !known && !six {
            *packet.rcode_mut() = RCODE::NameError;
        }
        packet.build_bytes_vec().ok()
    });
    assert_eq!(
        resolve("files", &server.config(), None).unwrap(),
        addresses(&["10.0.0.7"])
    );
    let error = resolve("none.at.all", &server.config(), None).unwrap_err();
    assert_eq!(error.to_string(), "no address of host 'none.at.all'");
}

#[test]
fn a_server_that_fails_or_is_silent_is_named_and_the_next_one_asked() {
    let refusing = Server::new(|name, six| {
        let mut packet = answer(name, six, Vec::new());
        *packet.rcode_mut() = RCODE::ServerFailure;
        packet.build_bytes_vec().ok()
    });
    let error = resolve("files.example.org", &refusing.config(), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no answer from DNS about host 'files.example.org': 127.0.0.1:"),
        "{error}"
    );
    assert!(error.ends_with("answered ServerFailure"), "{error}");

    let silent = Server::new(|_, _| None);
    let good = Server::new(|name, six| {
        answer(name, six, if six { vec![] } else { vec![four(3)] })
            .build_bytes_vec()
            .ok()
    });
    let mut config = silent.config();
    config.timeout = Duration::from_millis(100);
    assert!(matches!(
        resolve("a.b", &config, None),
        Err(ResolveError::NoAnswer { .. })
    ));
    config.servers.push(refusing.address);
    config.servers.push(good.address);
    config.timeout = Duration::from_millis(500);
    assert_eq!(
        resolve("a.b", &config, None).unwrap(),
        addresses(&["10.0.0.3"])
    );
    // Not even the first server is waited for beyond the time that is left.
    config.timeout = Duration::from_secs(3600);
    config.attempts = 100;
    let until = Instant::now() + Duration::from_millis(200);
    assert!(resolve("a.b", &config, Some(until)).is_err());
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let server = Server::new(|_, six| {
        answer("evil.example.org", six, vec![four(66)])
            .build_bytes_vec()
            .ok()
    });
    let mut config = server.config();
    config.timeout = Duration::from_millis(100);
    assert!(matches!(
        resolve("files.example.org", &config, None),
        Err(ResolveError::NoAnswer { .. })
    ));
}

#[test]
fn an_answer_too_long_for_udp_is_asked_for_over_tcp() {
    // A port that is free for both; somebody else may have the other half of the first one.
    let (listener, socket) = (0..100)
        .find_map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
            Some((listener, socket))
        })
        .unwrap();
    let server = Server::on(socket, |name, six| {
        let mut packet = answer(name, six, Vec::new());
        if !six {
            packet.set_flags(PacketFlag::TRUNCATION);
        }
        packet.build_bytes_vec().ok()
    });
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut query = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut query).unwrap();
        let name = Packet::parse(&query).unwrap().questions[0]
            .qname
            .to_string();
        let mut reply = answer(&name, false, (0..100).map(four).collect())
            .build_bytes_vec()
            .unwrap();
        reply[..2].copy_from_slice(&query[..2]);
        let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], &reply].concat()).unwrap();
    });
    assert_eq!(
        resolve("many.example.org", &server.config(), None)
            .unwrap()
            .len(),
        100
    );
    thread.join().unwrap();
}
