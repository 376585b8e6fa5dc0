"""Queues by the RPCs that clients send, old ones and such as no SDK sends."""

from modal_proto import api_pb2

IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING


def create(rpc, name="q", **more):
    request = api_pb2.QueueGetOrCreateRequest(
        deployment_name=name, object_creation_type=IF_MISSING, **more
    )
    return rpc("QueueGetOrCreate", request).queue_id


def put(rpc, queue_id, *values, partition=b"", ttl=60):
    request = api_pb2.QueuePutRequest(
        queue_id=queue_id, values=values, partition_key=partition, partition_ttl_seconds=ttl
    )
    rpc("QueuePut", request)


def take(rpc, queue_id, **more):
    return list(rpc("QueueGet", api_pb2.QueueGetRequest(queue_id=queue_id, **more)).values)


def after(rpc, queue_id, entry="", **more):
    request = api_pb2.QueueNextItemsRequest(queue_id=queue_id, last_entry_id=entry, **more)
    return [(item.value, item.entry_id) for item in rpc("QueueNextItems", request).items]


def test_a_request_without_a_number_takes_one(rpc):
    queue_id = create(rpc)
    put(rpc, queue_id, b"1", b"2", b"")
    assert take(rpc, queue_id) == [b"1"]
    assert take(rpc, queue_id, n_values=5) == [b"2", b""]
    assert take(rpc, queue_id, n_values=5) == []


def test_a_wait_ends_with_nothing(rpc):
    queue_id = create(rpc)
    assert take(rpc, queue_id, timeout=0.01) == []
    assert take(rpc, queue_id, timeout=-5) == []
    assert after(rpc, queue_id, item_poll_timeout=0.01) == []


def test_what_is_seen_is_told_from_an_entry_on(rpc):
    queue_id = create(rpc)
    put(rpc, queue_id, b"1", b"2")
    (first, entry), (second, last) = after(rpc, queue_id)
    assert (first, second) == (b"1", b"2")
    assert after(rpc, queue_id, entry) == [(b"2", last)]
    assert after(rpc, queue_id, last, item_poll_timeout=0.01) == []
    assert take(rpc, queue_id, n_values=2) == [b"1", b"2"]
    put(rpc, queue_id, b"3")
    assert [value for value, _ in after(rpc, queue_id, last)] == [b"3"]


def test_a_listing_tells_sizes_up_to_a_limit(rpc):
    queue_id, empty = create(rpc), create(rpc, "empty")
    put(rpc, queue_id, b"1", b"2")
    put(rpc, queue_id, b"3", partition=b"p")
    for limit, shown in ((0, 3), (100, 3), (2, 2)):
        listed = rpc("QueueList", api_pb2.QueueListRequest(total_size_limit=limit)).queues
        assert [(q.name, q.num_partitions, q.total_size) for q in listed] == [
            ("empty", 0, 0),
            ("q", 2, shown),
        ]
    rpc("QueueDelete", api_pb2.QueueDeleteRequest(queue_id=empty))
    assert [q.name for q in rpc("QueueList", api_pb2.QueueListRequest()).queues] == ["q"]


def test_unknown_ids_are_said_so_in_modals_words(rpc):
    for name in ("Get", "Put", "NextItems", "Len", "Clear", "Delete", "Heartbeat"):
        request = getattr(api_pb2, f"Queue{name}Request")(queue_id="qu-none")
        expected = ("NOT_FOUND", "No Queue with ID 'qu-none' found")
        assert rpc.error(f"Queue{name}", request) == expected


def test_whoever_waits_hears_that_the_queue_is_gone(rpc):
    import asyncio

    queue_id = create(rpc)

    async def waiting():
        async with rpc._channel() as channel, rpc._channel() as other:
            wait = rpc._call(
                channel, "QueueGet", api_pb2.QueueGetRequest(queue_id=queue_id, timeout=30)
            )
            waiter = asyncio.ensure_future(wait)
            await rpc._call(other, "QueueLen", api_pb2.QueueLenRequest(queue_id=queue_id))
            await rpc._call(other, "QueueDelete", api_pb2.QueueDeleteRequest(queue_id=queue_id))
            return (await asyncio.gather(waiter, return_exceptions=True))[0]

    ended = asyncio.run(asyncio.wait_for(waiting(), 120))
    assert ended.message == f"No Queue with ID '{queue_id}' found"


def test_clients_elsewhere_wait_by_the_machine(rpc, modal_emulator):
    modal_emulator.ask(lambda world: world.clock.set(1_800_000_000.0))
    queue_id = create(rpc.by_wire)
    assert take(rpc.by_wire, queue_id, timeout=0.05) == []
    assert after(rpc.by_wire, queue_id, item_poll_timeout=0.05) == []
    assert modal_emulator.ask(lambda world: world.clock.now()) == 1_800_000_000.0
    modal_emulator.ask(lambda world: world.clock.resume())
