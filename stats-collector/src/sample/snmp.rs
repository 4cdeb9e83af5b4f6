//! The network stack of a container's own namespace, as /proc/net/snmp has it (Mesos: include/mesos/mesos.proto,
//! `SNMPStatistics`).

use serde::de::MapAccess;

use super::message::{Message, Pending};
use crate::model::{Numbers, Put, numbers};

numbers! {
    /// IP.
    struct Ip, named "net_snmp_statistics.ip_stats." along None;

    Forwarding: i64, Gauge Count, "Whether packets are forwarded: 1 is yes, 2 is no.";
    DefaultTTL: i64, Gauge Count, "Time to live of packets sent.";
    InReceives: i64, Counter Count, "Packets received.";
    InHdrErrors: i64, Counter Count, "Packets with an error in their header.";
    InAddrErrors: i64, Counter Count, "Packets to an address that is not ours.";
    ForwDatagrams: i64, Counter Count, "Packets forwarded.";
    InUnknownProtos: i64, Counter Count, "Packets of an unknown protocol.";
    InDiscards: i64, Counter Count, "Packets received and discarded for want of room.";
    InDelivers: i64, Counter Count, "Packets delivered to a protocol above.";
    OutRequests: i64, Counter Count, "Packets that protocols above wanted to send.";
    OutDiscards: i64, Counter Count, "Packets to be sent, discarded for want of room.";
    OutNoRoutes: i64, Counter Count, "Packets without a route.";
    ReasmTimeout: i64, Gauge Seconds, "Seconds that fragments wait for each other.";
    ReasmReqds: i64, Counter Count, "Fragments received.";
    ReasmOKs: i64, Counter Count, "Packets put together from fragments.";
    ReasmFails: i64, Counter Count, "Packets that could not be put together.";
    FragOKs: i64, Counter Count, "Packets parted into fragments.";
    FragFails: i64, Counter Count, "Packets that could not be parted.";
    FragCreates: i64, Counter Count, "Fragments made.";
}

numbers! {
    /// ICMP.
    struct Icmp, named "net_snmp_statistics.icmp_stats." along None;

    InMsgs: i64, Counter Count, "Messages received.";
    InErrors: i64, Counter Count, "Messages with an error received.";
    InCsumErrors: i64, Counter Count, "Messages with a wrong checksum received.";
    InDestUnreachs: i64, Counter Count, "'Destination unreachable' received.";
    InTimeExcds: i64, Counter Count, "'Time exceeded' received.";
    InParmProbs: i64, Counter Count, "'Parameter problem' received.";
    InSrcQuenchs: i64, Counter Count, "'Source quench' received.";
    InRedirects: i64, Counter Count, "'Redirect' received.";
    InEchos: i64, Counter Count, "'Echo' received.";
    InEchoReps: i64, Counter Count, "'Echo reply' received.";
    InTimestamps: i64, Counter Count, "'Timestamp' received.";
    InTimestampReps: i64, Counter Count, "'Timestamp reply' received.";
    InAddrMasks: i64, Counter Count, "'Address mask' received.";
    InAddrMaskReps: i64, Counter Count, "'Address mask reply' received.";
    OutMsgs: i64, Counter Count, "Messages sent.";
    OutErrors: i64, Counter Count, "Messages with an error sent.";
    OutDestUnreachs: i64, Counter Count, "'Destination unreachable' sent.";
    OutTimeExcds: i64, Counter Count, "'Time exceeded' sent.";
    OutParmProbs: i64, Counter Count, "'Parameter problem' sent.";
    OutSrcQuenchs: i64, Counter Count, "'Source quench' sent.";
    OutRedirects: i64, Counter Count, "'Redirect' sent.";
    OutEchos: i64, Counter Count, "'Echo' sent.";
    OutEchoReps: i64, Counter Count, "'Echo reply' sent.";
    OutTimestamps: i64, Counter Count, "'Timestamp' sent.";
    OutTimestampReps: i64, Counter Count, "'Timestamp reply' sent.";
    OutAddrMasks: i64, Counter Count, "'Address mask' sent.";
    OutAddrMaskReps: i64, Counter Count, "'Address mask reply' sent.";
}

numbers! {
    /// TCP.
    struct Tcp, named "net_snmp_statistics.tcp_stats." along None;

    RtoAlgorithm: i64, Gauge Count, "How the retransmission time-out is found, by its number in RFC 4022.";
    RtoMin: i64, Gauge Milliseconds, "The least retransmission time-out.";
    RtoMax: i64, Gauge Milliseconds, "The largest retransmission time-out.";
    MaxConn: i64, Gauge Count, "The most connections; -1 if that is not fixed.";
    ActiveOpens: i64, Counter Count, "Connections opened.";
    PassiveOpens: i64, Counter Count, "Connections accepted.";
    AttemptFails: i64, Counter Count, "Connections that could not be opened.";
    EstabResets: i64, Counter Count, "Connections that were reset.";
    CurrEstab: i64, Gauge Count, "Connections that are established.";
    InSegs: i64, Counter Count, "Segments received.";
    OutSegs: i64, Counter Count, "Segments sent, without those sent again.";
    RetransSegs: i64, Counter Count, "Segments sent again.";
    InErrs: i64, Counter Count, "Segments with an error.";
    OutRsts: i64, Counter Count, "Resets sent.";
    InCsumErrors: i64, Counter Count, "Segments with a wrong checksum.";
}

numbers! {
    /// UDP.
    struct Udp, named "net_snmp_statistics.udp_stats." along None;

    InDatagrams: i64, Counter Count, "Datagrams received.";
    NoPorts: i64, Counter Count, "Datagrams to a port where nobody listens.";
    InErrors: i64, Counter Count, "Datagrams that could not be delivered.";
    OutDatagrams: i64, Counter Count, "Datagrams sent.";
    RcvbufErrors: i64, Counter Count, "Datagrams lost to a full receive buffer.";
    SndbufErrors: i64, Counter Count, "Datagrams lost to a full send buffer.";
    InCsumErrors: i64, Counter Count, "Datagrams with a wrong checksum.";
    IgnoredMulti: i64, Counter Count, "Multicast datagrams ignored.";
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Snmp {
    /// IP.
    pub(crate) ip: Ip,
    /// ICMP.
    pub(crate) icmp: Icmp,
    /// TCP.
    pub(crate) tcp: Tcp,
    /// UDP.
    pub(crate) udp: Udp,
}

impl Snmp {
    /// Puts all numbers that are there.
    pub(crate) fn put(&self, out: &mut impl Put) {
        self.ip.put(None, out);
        self.icmp.put(None, out);
        self.tcp.put(None, out);
        self.udp.put(None, out);
    }
}

impl<'de> Message<'de> for Snmp {
    const PATH: &'static str = "net_snmp_statistics";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "ip_stats" => self.ip = value.message()?.unwrap_or_default(),
            "icmp_stats" => self.icmp = value.message()?.unwrap_or_default(),
            "tcp_stats" => self.tcp = value.message()?.unwrap_or_default(),
            "udp_stats" => self.udp = value.message()?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

macro_rules! protocols {
    ($($protocol:ident in $path:literal,)*) => {
        $(impl<'de> Message<'de> for $protocol {
            const PATH: &'static str = $path;

            fn take<A: MapAccess<'de>>(
                &mut self,
                key: &str,
                value: &mut Pending<'_, 'de, A>,
            ) -> Result<bool, A::Error> {
                value.one_of(self, key)
            }
        })*
    };
}

protocols! {
    Ip in "net_snmp_statistics.ip_stats",
    Icmp in "net_snmp_statistics.icmp_stats",
    Tcp in "net_snmp_statistics.tcp_stats",
    Udp in "net_snmp_statistics.udp_stats",
}
