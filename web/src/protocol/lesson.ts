/** The lesson log as it goes over the wire (docs/lesson-log.md): events, commands, answers. */
import { asObject, integer, oneOf, parseObject, text, type JsonObject } from './json';

export const ROLES = ['lecture', 'remote', 'observer'] as const;
export type Role = (typeof ROLES)[number];

export const LESSON_KINDS = ['class', 'seminar', 'lecture', 'consultation'] as const;
export type LessonKind = (typeof LESSON_KINDS)[number];

export const LESSON_STATUSES = ['live', 'ended'] as const;
export type LessonStatus = (typeof LESSON_STATUSES)[number];

interface EventHead {
  readonly seq: number;
  /** Wall clock of the server, milliseconds since 1970. */
  readonly at: number;
}

interface SiteEvent extends EventHead {
  readonly site: string;
}

const SITE_EVENTS = [
  'site_left',
  'hand_raised',
  'hand_lowered',
  'stage_added',
  'stage_removed',
  'floor_given',
  'floor_taken',
] as const;
type SiteEventType = (typeof SITE_EVENTS)[number];

export type LessonEvent =
  | (EventHead & {
      readonly type: 'lesson_opened';
      readonly title: string;
      readonly kind: LessonKind;
    })
  | (SiteEvent & {
      readonly type: 'site_joined';
      readonly role: Role;
      readonly name: string;
      readonly school: string;
    })
  | { [T in SiteEventType]: SiteEvent & { readonly type: T } }[SiteEventType]
  | (SiteEvent & { readonly type: 'chat'; readonly text: string })
  | (EventHead & { readonly type: 'all_muted' })
  | (EventHead & { readonly type: 'lesson_ended' })
  /* A type of a newer server: it advances `seq` and changes nothing else. */
  | (EventHead & { readonly type: 'unknown' });

export const REFUSAL_CODES = [
  'malformed',
  'unknown_command',
  'not_allowed',
  'unknown_site',
  'stage_full',
  'floor_full',
  'lesson_ended',
  'rate_limited',
  'unavailable',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export type LogFrame =
  | { readonly type: 'hello'; readonly seq: number; readonly identity: string; readonly role: Role }
  | { readonly type: 'ack'; readonly cmdId: string; readonly seq: number }
  | {
      readonly type: 'refused';
      readonly cmdId: string;
      readonly code: RefusalCode;
      readonly reason: string;
    }
  | { readonly type: 'event'; readonly event: LessonEvent };

export type Command =
  | { readonly cmd: 'raise_hand' | 'mute_all' | 'end_lesson' }
  | { readonly cmd: 'lower_hand'; readonly site?: string }
  | {
      readonly cmd: 'call_on_stage' | 'put_down' | 'give_floor' | 'take_floor';
      readonly site: string;
    }
  | { readonly cmd: 'chat'; readonly text: string };

/** One event, or undefined when it is no event at all (no usable `seq` or `type`). */
export function parseEvent(value: unknown): LessonEvent | undefined {
  const o = asObject(value);
  const seq = o && integer(o, 'seq');
  if (!o || seq === undefined || typeof o['type'] !== 'string') return undefined;
  return parseBody(o, { seq, at: integer(o, 'at') ?? 0 });
}

function parseBody(o: JsonObject, head: EventHead): LessonEvent {
  const type = text(o, 'type');
  const site = text(o, 'site');
  const siteEvent = oneOf(type, SITE_EVENTS);
  if (siteEvent) return { ...head, type: siteEvent, site };
  switch (type) {
    case 'lesson_opened':
      return {
        ...head,
        type,
        title: text(o, 'title'),
        kind: oneOf(o['kind'], LESSON_KINDS) ?? 'class',
      };
    case 'site_joined': {
      const role = oneOf(o['role'], ROLES);
      if (!role || site === '') return { ...head, type: 'unknown' };
      return { ...head, type, site, role, name: text(o, 'name'), school: text(o, 'school') };
    }
    case 'chat':
      return { ...head, type, site, text: text(o, 'text') };
    case 'all_muted':
    case 'lesson_ended':
      return { ...head, type };
    default:
      return { ...head, type: 'unknown' };
  }
}

/** One frame of the live log, or undefined when the text is not one. */
export function parseFrame(frame: string): LogFrame | undefined {
  const o = parseObject(frame);
  if (!o) return undefined;
  switch (o['type']) {
    case 'hello':
      return parseHello(o);
    case 'ack':
      return { type: 'ack', cmdId: text(o, 'cmd_id'), seq: integer(o, 'seq') ?? 0 };
    case 'refused':
      return {
        type: 'refused',
        cmdId: text(o, 'cmd_id'),
        code: oneOf(o['code'], REFUSAL_CODES) ?? 'malformed',
        reason: text(o, 'reason'),
      };
    default: {
      const event = parseEvent(o);
      return event && { type: 'event', event };
    }
  }
}

function parseHello(o: JsonObject): LogFrame | undefined {
  const you = asObject(o['you']);
  const role = oneOf(you?.['role'], ROLES);
  const seq = integer(o, 'seq');
  if (!you || !role || seq === undefined) return undefined;
  return { type: 'hello', seq, identity: text(you, 'identity'), role };
}

export function commandFrame(command: Command, cmdId: string): string {
  return JSON.stringify({ ...command, cmd_id: cmdId });
}
