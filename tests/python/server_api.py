"""Drives every call of the room service with the public Python server SDK. Arguments: URL, room, participant, track."""

import asyncio
import json
import sys

from livekit import api
from livekit.protocol import room as pb
from livekit.protocol.models import ParticipantPermission

HTTP, ROOM, PERSON, TRACK = sys.argv[1:5]


async def refused(call, code):
    try:
        await call
    except api.TwirpError as error:
        assert error.code == code, f"{error.code} instead of {code}: {error.message}"
        return
    raise AssertionError(f"was not refused with {code}")


async def main():
    async with api.LiveKitAPI(HTTP, "devkey", "secret") as lk:
        service = lk.room
        opened = await service.create_room(pb.CreateRoomRequest(name=f"{ROOM}-new", metadata="m", max_participants=3))
        assert opened.name == f"{ROOM}-new" and opened.sid.startswith("RM_") and opened.max_participants == 3
        again = await service.create_room(pb.CreateRoomRequest(name=f"{ROOM}-new"))
        assert again.sid == opened.sid
        listed = await service.list_rooms(pb.ListRoomsRequest(names=[ROOM, f"{ROOM}-new"]))
        assert {room.name for room in listed.rooms} == {ROOM, f"{ROOM}-new"}, listed
        await service.delete_room(pb.DeleteRoomRequest(room=f"{ROOM}-new"))
        assert not (await service.list_rooms(pb.ListRoomsRequest(names=[f"{ROOM}-new"]))).rooms

        changed = await service.update_room_metadata(pb.UpdateRoomMetadataRequest(room=ROOM, metadata="by python"))
        assert changed.metadata == "by python"
        people = await service.list_participants(pb.ListParticipantsRequest(room=ROOM))
        assert PERSON in {p.identity for p in people.participants}
        who = pb.RoomParticipantIdentity(room=ROOM, identity=PERSON)
        person = await service.get_participant(who)
        assert person.sid.startswith("PA_") and TRACK in {track.sid for track in person.tracks}
        await refused(service.get_participant(pb.RoomParticipantIdentity(room=ROOM, identity="nobody")), "not_found")

        muted = await service.mute_published_track(pb.MuteRoomTrackRequest(room=ROOM, identity=PERSON, track_sid=TRACK, muted=True))
        assert muted.track.sid == TRACK and muted.track.muted
        # The server may not open a microphone on its own unless configured so.
        await refused(service.mute_published_track(
            pb.MuteRoomTrackRequest(room=ROOM, identity=PERSON, track_sid=TRACK, muted=False)), "failed_precondition")
        updated = await service.update_participant(pb.UpdateParticipantRequest(
            room=ROOM, identity=PERSON, name="Python's choice", metadata="by python", attributes={"by": "python"},
            permission=ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)))
        assert updated.metadata == "by python" and updated.attributes["by"] == "python"
        await service.update_subscriptions(pb.UpdateSubscriptionsRequest(room=ROOM, identity=PERSON, track_sids=[TRACK], subscribe=False))
        await service.send_data(pb.SendDataRequest(room=ROOM, data=b"from python", topic="news", kind=0))
        await service.move_participant(pb.MoveParticipantRequest(room=ROOM, identity=PERSON, destination_room=f"{ROOM}-moved"))
        await service.remove_participant(pb.RoomParticipantIdentity(room=f"{ROOM}-moved", identity=PERSON))
    print(json.dumps({"done": True}))


asyncio.run(main())
