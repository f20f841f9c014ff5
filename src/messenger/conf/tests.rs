use super::*;

#[test]
fn every_default_is_a_legal_value_of_its_option() {
    for OptionRow(name, kind, _, default) in OPTIONS {
        kind.check(name, default)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn names_are_unique() {
    let names: std::collections::BTreeSet<_> = OPTIONS.iter().map(|row| row.0).collect();
    assert_eq!(names.len(), OPTIONS.len());
}

#[test]
fn sizes_take_suffixes() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("4K", Some(4096)),
        ("100M", Some(100 << 20)),
        ("1GiB", Some(1 << 30)),
        ("7kb", Some(7 << 10)),
        ("K", None),
        ("4X", None),
        ("-1", None),
        ("99999999999T", None),
    ] {
        assert_eq!(parse_size(text), bytes, "{text}");
    }
}

#[test]
fn what_is_set_is_got_and_the_rest_has_its_default() {
    let conf = Conf::default();
    conf.set("ms_dispatch_throttle_bytes", "64K", false)
        .unwrap();
    assert_eq!(conf.get("ms_dispatch_throttle_bytes").unwrap(), "64K");
    assert_eq!(conf.number("ms_dispatch_throttle_bytes"), 65536);
    assert_eq!(
        conf.seconds("ms_initial_backoff"),
        Duration::from_millis(200)
    );
    assert!(conf.switch("ms_crc_data"));
}

#[test]
fn refusals_say_which_kind_of_wrong() {
    let conf = Conf::default();
    let errno = |key, value, started| conf.set(key, value, started).map_err(|why| why.errno());
    assert_eq!(errno("ms_speed", "1", false), Err(libc::ENOENT));
    assert_eq!(errno("ms_crc_data", "maybe", false), Err(libc::EINVAL));
    assert_eq!(errno("ms_max_backoff", "-1", false), Err(libc::EINVAL));
    assert_eq!(errno("ms_type", "simple", false), Err(libc::EINVAL));
    assert_eq!(errno("ms_async_op_threads", "2", true), Err(libc::EBUSY));
    assert_eq!(errno("ms_async_op_threads", "2", false), Ok(()));
    assert_eq!(errno("ms_async_rdma_device_name", "mlx5_0", false), Ok(()));
    let list = "ms_inject_delay_type";
    assert_eq!(errno(list, "osd disk", false), Err(libc::EINVAL));
    let mode = "ms_osd_compress_mode";
    assert_eq!(errno(mode, "passive", false), Err(libc::EINVAL));
    assert_eq!(errno(mode, "force", false), Ok(()));
    assert_eq!(
        errno("ms_inject_delay_probability", "-1", false),
        Err(libc::EINVAL)
    );
}

#[test]
fn a_key_is_neither_given_back_nor_named_in_an_error() {
    let conf = Conf::default();
    let key = "AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==";
    conf.set("key", key, false).unwrap();
    assert_eq!(conf.get("key").unwrap_err().errno(), libc::EACCES);
    assert!(conf.key("key").is_some());
    let why = conf.set("key", "hunter2", false).unwrap_err();
    assert!(!why.to_string().contains("hunter2"), "{why}");
}

#[test]
fn methods_are_named_or_refused() {
    let conf = Conf::default();
    conf.set("auth_client_required", "cephx, none", false)
        .unwrap();
    let methods = conf.methods("auth_client_required");
    assert_eq!(methods, [METHOD_CEPHX, METHOD_NONE]);
    assert_eq!(conf.methods("auth_service_required"), []);
    let wrong = conf.set("auth_client_required", "gss", false);
    assert_eq!(wrong.unwrap_err().errno(), libc::EINVAL);
}

#[test]
fn faults_can_be_asked_for_at_any_time() {
    let conf = Conf::default();
    for started in [false, true] {
        conf.set("ms_inject_socket_failures", "30", started)
            .unwrap();
    }
    conf.set("ms_inject_delay_type", "osd, client mgr", true)
        .unwrap();
    assert_eq!(
        conf.entity_types("ms_inject_delay_type"),
        [EntityType::OSD, EntityType::CLIENT, EntityType::MGR]
    );
    conf.set("ms_inject_delay_probability", ".25", true)
        .unwrap();
    assert!((conf.decimal("ms_inject_delay_probability") - 0.25).abs() < f64::EPSILON);
    conf.set("ms_inject_delay_type", "", true).unwrap();
    assert_eq!(conf.entity_types("ms_inject_delay_type"), []);
}
