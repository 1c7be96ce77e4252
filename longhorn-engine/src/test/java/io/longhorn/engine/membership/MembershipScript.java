package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.VolumeRecordCodec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * Tables for {@link MembershipCore}: each line is an event, {@code ->}, and the effects it has to
 * have. Replicas are digits; a record is {@code generation.number:members}, with {@code -r@g.n} for
 * each one that left.
 *
 * <pre>
 * hello r [promised=p] [rec=record] [released=g]   promise r [rec=...] [released=g]   refuse r there
 * stored r    broke r    suspect r    unsuspect r    fenced r by    join r    force    reopen    after ms
 * read revision ...    set revision    conflict revision ...    unreachable
 * </pre>
 */
final class MembershipScript {
  private static final EngineId ME = new EngineId(new UUID(9, 1));

  private final List<ReplicaId> ids = new ArrayList<>();
  private final MembershipCore core;
  private final TreeMap<ReplicaId, RecordStamp> sent = new TreeMap<>();
  private MembershipRecord usual;
  private long nowNanos = 1_000_000_000L;

  private long lastCall;
  private VolumeRecord lastSet;

  MembershipScript(int replicas, Authority authority) {
    for (int i = 1; i <= replicas; i++) {
      ids.add(id((char) ('0' + i)));
    }
    usual = MembershipRecord.ofNewVolume(ids);
    core = new MembershipCore(ids, authority, MembershipTiming.DEFAULT, RuleSet.ALL);
    lastSet = VolumeRecord.ofNewVolume(usual);
  }

  /** Runs lines; returns them with the effects that came out, to be compared with what went in. */
  static String run(int replicas, String lines) {
    return run(replicas, new Authority.Replicas(), lines);
  }

  /** With the store as authority; the engine is {@code me}. */
  static String runWithStore(int replicas, String lines) {
    return run(replicas, new Authority.Store(ME), lines);
  }

  private static String run(int replicas, Authority authority, String lines) {
    MembershipScript script = new MembershipScript(replicas, authority);
    StringBuilder out = new StringBuilder();
    for (String line : lines.strip().lines().toList()) {
      String event =
          line.contains("->") ? line.substring(0, line.indexOf("->")).strip() : line.strip();
      if (event.startsWith("#")) {
        out.append(line.strip()).append('\n');
      } else if (event.startsWith("usual ")) {
        script.usual = record(event.substring(6));
        out.append(event).append('\n');
      } else {
        out.append(event).append(" -> ").append(script.take(event)).append('\n');
      }
    }
    return out.toString();
  }

  private String take(String line) {
    String[] words = line.split("\\s+", -1);
    char who = words.length > 1 ? words[1].charAt(0) : '0';
    MembershipEvent event =
        switch (words[0]) {
          case "hello" -> new MembershipEvent.ReplicaAnswered(nowNanos, id(who), info(who, words));
          case "promise" ->
              new MembershipEvent.Promised(nowNanos, id(who), core.generation(), info(who, words));
          case "refuse" ->
              new MembershipEvent.PromiseRefused(
                  nowNanos, id(who), core.generation(), Long.parseLong(words[2]));
          case "stored" ->
              new MembershipEvent.RecordStored(
                  nowNanos, id(who), sent.getOrDefault(id(who), RecordStamp.NONE));
          case "broke" -> new MembershipEvent.LinkBroke(nowNanos, id(who));
          case "suspect" -> new MembershipEvent.Suspected(nowNanos, id(who));
          case "unsuspect" -> new MembershipEvent.Unsuspected(nowNanos, id(who));
          case "fenced" -> new MembershipEvent.Fenced(nowNanos, id(who), Long.parseLong(words[2]));
          case "join" -> new MembershipEvent.JoinWanted(nowNanos, id(who));
          case "force" -> new MembershipEvent.ForceWanted(nowNanos);
          case "reopen" -> new MembershipEvent.ReopenWanted(nowNanos);
          case "read" -> new MembershipEvent.StoreRead(nowNanos, lastCall, stored(words));
          case "set" -> new MembershipEvent.StoreSet(nowNanos, lastCall, Long.parseLong(words[1]));
          case "conflict" -> new MembershipEvent.StoreConflict(nowNanos, lastCall, stored(words));
          case "unreachable" -> new MembershipEvent.StoreUnreachable(nowNanos, lastCall, "down");
          case "after" -> {
            nowNanos += Long.parseLong(words[1]) * 1_000_000L;
            yield new MembershipEvent.Tick(nowNanos);
          }
          default -> throw new IllegalArgumentException(line);
        };
    List<String> effects = new ArrayList<>();
    for (MembershipEffect effect : core.step(event)) {
      effects.add(say(effect));
    }
    return String.join(" | ", effects);
  }

  private String say(MembershipEffect effect) {
    return switch (effect) {
      case MembershipEffect.AskPromise(ReplicaId id, long generation) ->
          "ask " + digit(id) + " for " + generation;
      case MembershipEffect.StoreRecord(ReplicaId id, MembershipRecord record) -> {
        sent.put(id, record.stamp());
        yield "store " + digit(id) + " " + say(record);
      }
      case MembershipEffect.ReadStore(long call) -> {
        lastCall = call;
        yield "read";
      }
      case MembershipEffect.SetStore(long call, long expected, VolumeRecord record) -> {
        lastCall = call;
        lastSet = record;
        yield "set@"
            + expected
            + " "
            + say(record.membership())
            + " taken "
            + record.reservedGeneration()
            + record.owner().map(owner -> " by " + owner(owner)).orElse("");
      }
      case MembershipEffect.Disconnect(ReplicaId id, _) -> "drop " + digit(id);
      case MembershipEffect.Opened opened ->
          "opened "
              + opened.generation()
              + (opened.isContinuation() ? " continued" : "")
              + (opened.isClean() ? " clean" : "");
      case MembershipEffect.Serve _ -> "serve";
      case MembershipEffect.InForceChanged _ ->
          "needs "
              + digits(core.requiredMembers())
              + " reads "
              + digits(core.readableMembers())
              + (core.isComplete() ? " complete" : "");
      case MembershipEffect.Left(ReplicaId id, _) -> digit(id) + " left";
      case MembershipEffect.Joined(ReplicaId id, _) -> digit(id) + " joined";
      case MembershipEffect.MayReturn(ReplicaId id, _) -> digit(id) + " may return";
      case MembershipEffect.StaysOut(ReplicaId id, _) -> digit(id) + " stays out";
      case MembershipEffect.Held(SortedSet<ReplicaId> missing, _) ->
          "held without " + digits(missing);
      case MembershipEffect.Deposed(long by) -> "deposed by " + by;
      case MembershipEffect.Forced(MembershipEffect.ForceReport report) ->
          "forced, missing " + digits(report.missing());
    };
  }

  /**
   * {@code 0}: nothing; {@code revision own}: what was to be set last; {@code revision record taken
   * me|other}.
   */
  private VolumeRecordCodec.Stored stored(String[] words) {
    long revision = Long.parseLong(words[1]);
    if (revision == 0) {
      return new VolumeRecordCodec.Stored(0, Optional.empty());
    }
    if (words[2].equals("own")) {
      return new VolumeRecordCodec.Stored(revision, Optional.of(lastSet));
    }
    VolumeRecord there =
        new VolumeRecord(
            record(words[2]),
            Long.parseLong(words[3]),
            words.length < 5
                ? Optional.empty()
                : Optional.of(words[4].equals("me") ? ME : new EngineId(new UUID(9, 2))),
            Collections.emptySortedSet(),
            VolumeRecord.Phase.NONE);
    return new VolumeRecordCodec.Stored(revision, Optional.of(there));
  }

  private static String owner(EngineId engine) {
    return engine.equals(ME) ? "me" : "other";
  }

  private static String say(MembershipRecord record) {
    StringBuilder text = new StringBuilder();
    text.append(record.stamp().generation())
        .append('.')
        .append(record.stamp().number())
        .append(':')
        .append(digits(record.members()));
    record
        .leftAt()
        .forEach((id, stamp) ->
            text.append('-')
                .append(digit(id))
                .append('@')
                .append(stamp.generation())
                .append('.')
                .append(stamp.number()));
    return text.toString();
  }

  private ReplicaInfo info(char who, String[] words) {
    MembershipRecord record = usual;
    long promised = 0;
    long released = 0;
    for (String word : words) {
      if (word.startsWith("rec=")) {
        record = record(word.substring(4));
      } else if (word.startsWith("promised=")) {
        promised = Long.parseLong(word.substring(9));
      } else if (word.startsWith("released=")) {
        released = Long.parseLong(word.substring(9));
      }
    }
    return new ReplicaInfo(
        1,
        new VolumeId(new UUID(7, 7)),
        id(who),
        1 << 20,
        "replicas",
        promised,
        record,
        released,
        new ProcessNonce(new UUID(8, who)),
        true,
        RecordStamp.NONE,
        65_536,
        0,
        1,
        64);
  }

  static MembershipRecord record(String text) {
    String[] parts = text.split("-", -1);
    int colon = parts[0].indexOf(':');
    TreeSet<ReplicaId> members = new TreeSet<>();
    parts[0].substring(colon + 1).chars().forEach(digit -> members.add(id((char) digit)));
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>();
    for (int i = 1; i < parts.length; i++) {
      left.put(id(parts[i].charAt(0)), stamp(parts[i].substring(2)));
    }
    return new MembershipRecord(stamp(parts[0].substring(0, colon)), members, left);
  }

  private static RecordStamp stamp(String text) {
    int dot = text.indexOf('.');
    return new RecordStamp(
        Long.parseLong(text.substring(0, dot)), Long.parseLong(text.substring(dot + 1)));
  }

  static ReplicaId id(char digit) {
    return new ReplicaId(new UUID(0, digit - '0'));
  }

  static String digits(Collection<ReplicaId> ids) {
    StringBuilder text = new StringBuilder();
    ids.forEach(id -> text.append(digit(id)));
    return text.isEmpty() ? "nobody" : text.toString();
  }

  private static char digit(ReplicaId id) {
    return (char) ('0' + id.uuid().getLeastSignificantBits());
  }
}
