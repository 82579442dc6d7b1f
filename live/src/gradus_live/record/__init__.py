"""The live record: what came of a bot's decisions, beside what training promised."""

from gradus_live.record.group import GroupRecord
from gradus_live.record.live_record import DayPoint, LiveRecord, build_record
from gradus_live.record.page import render_page
from gradus_live.record.text import render_record

__all__ = ["DayPoint", "GroupRecord", "LiveRecord", "build_record", "render_page", "render_record"]
