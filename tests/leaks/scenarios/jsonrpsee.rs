//! Calls over one WebSocket connection that stays open.

use jsonrpsee_server::{RpcModule, Server, ServerHandle};
use soketto::handshake::{Client, ServerResponse};
use tokio::io::{BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Calls in a round.
pub const CALLS: u32 = 16;

type Socket = Compat<BufReader<BufWriter<TcpStream>>>;

/// A server, and a client that is connected to it.
pub struct Connection {
    server: ServerHandle,
    sender: soketto::Sender<Socket>,
    receiver: soketto::Receiver<Socket>,
}

impl Connection {
    pub async fn open() -> Self {
        let server = Server::builder()
            .ws_only()
            .build("127.0.0.1:0")
            .await
            .unwrap();
        let address = server.local_addr().unwrap();
        let mut methods = RpcModule::new(());
        methods.register_method("hello", |_, ()| "hello").unwrap();
        let server = server.start(methods);

        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = BufReader::new(BufWriter::new(socket)).compat();
        let mut client = Client::new(socket, "localhost", "/");
        let response = client.handshake().await.unwrap();
        assert!(matches!(response, ServerResponse::Accepted { .. }));
        let (sender, receiver) = client.into_builder().finish();
        Self {
            server,
            sender,
            receiver,
        }
    }

    /// One round: calls, each after the answer to the one before.
    pub async fn call(&mut self) {
        let mut answer = Vec::new();
        for _ in 0..CALLS {
            self.sender
                .send_text(r#"{"jsonrpc":"2.0","method":"hello","id":1}"#)
                .await
                .unwrap();
            self.sender.flush().await.unwrap();
            answer.clear();
            self.receiver.receive_data(&mut answer).await.unwrap();
            assert_eq!(answer, br#"{"jsonrpc":"2.0","result":"hello","id":1}"#);
        }
    }

    /// Ends the client and then the server, with all of their tasks.
    pub async fn close(mut self) {
        self.sender.close().await.unwrap();
        self.server.stop().unwrap();
        self.server.stopped().await;
    }
}
