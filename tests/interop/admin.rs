//! The `ceph` tool at the admin socket of a process of msgr's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};

/// Tells of each message.
struct Bell(SyncSender<()>);

impl Dispatcher for Bell {
    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        self.0.send(()).unwrap();
        Ok(())
    }
}

/// A server and a client that have exchanged messages, and their admin socket.
pub(crate) struct Process {
    dir: PathBuf,
    context: Arc<Context>,
    _messengers: [Arc<Messenger>; 2],
    _con: ConnectionRef,
}

pub(crate) const MESSAGES: usize = 3;

impl Process {
    pub(crate) fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("msgr-admin-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let context = Context::new();
        context.conf_set("ms_async_op_threads", "1").unwrap();
        let (sender, came) = sync_channel(MESSAGES);
        let server = Messenger::create(&context, "osd.0", "cluster", 7).unwrap();
        server
            .set_default_policy(Policy::stateless_server())
            .unwrap();
        server.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
        server.add_dispatcher_head(Arc::new(Bell(sender))).unwrap();
        server.start().unwrap();
        let client = Messenger::create(&context, "client.admin", "client", 8).unwrap();
        client.start().unwrap();
        let con = client.connect(EntityType::OSD, &server.myaddrs()).unwrap();
        for _ in 0..MESSAGES {
            con.send(Message::new(1)).unwrap();
            came.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        context.open_admin_socket(&dir.join("it.asok")).unwrap();
        Self {
            dir,
            context,
            _messengers: [server, client],
            _con: con,
        }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("it.asok")
    }

    /// What the tool prints.
    pub(crate) fn ceph(&self, words: &[&str]) -> String {
        ceph(&self.path(), words)
    }

    /// What Python finds in that, which is to be JSON.
    pub(crate) fn find(&self, words: &[&str], what: &str) -> String {
        let told = self.ceph(words);
        let script = format!("import json, sys; told = json.loads(sys.argv[1]); print({what})");
        let found = Command::new("python3")
            .args(["-c", &script, &told])
            .output();
        let found = found.unwrap();
        let said = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success(), "{what} of {told}: {said}");
        String::from_utf8_lossy(&found.stdout).trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.context.close_admin_socket();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn ceph(path: &Path, words: &[&str]) -> String {
    let mut ceph = Command::new("ceph");
    ceph.arg("--admin-daemon").arg(path).args(words);
    let output = ceph.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
