//! The UDP socket, with buffers large enough for bursts.
//!
//! With the default of about 200 KiB tens of thousands of datagrams are lost under load. The kernel silently caps what
//! it grants, so the granted size is read back, and the sysctl that raises the cap is named.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::EndpointError;

/// What is asked for, in each direction.
const BUFFER_BYTES: usize = 4 * 1_024 * 1_024;

pub(super) fn bind(address: SocketAddr) -> Result<UdpSocket, EndpointError> {
    open(address).map_err(|source| EndpointError::Bind { address, source })
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    grow_buffers(&socket);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Small buffers cost speed, not correctness: a failure here is worth a warning and no more.
fn grow_buffers(socket: &Socket) {
    let receive = socket.set_recv_buffer_size(BUFFER_BYTES).and_then(|()| socket.recv_buffer_size());
    let send = socket.set_send_buffer_size(BUFFER_BYTES).and_then(|()| socket.send_buffer_size());
    for (granted, sysctl) in [(receive, "net.core.rmem_max"), (send, "net.core.wmem_max")] {
        let granted_bytes = granted.unwrap_or(0);
        if granted_bytes < BUFFER_BYTES {
            tracing::warn!(
                granted_bytes,
                wanted_bytes = BUFFER_BYTES,
                remedy = %format!("sysctl -w {sysctl}={BUFFER_BYTES}"),
                "the kernel caps a socket buffer; datagrams will be lost under load"
            );
        }
    }
}
