package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import io.longhorn.engine.claim.ClaimRequest.Kind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * Tables for {@link ClaimCore}: each line is an event, {@code ->}, and the effects it has to have.
 * Replicas are digits; a record is {@code generation.number:members generation-taken owner
 * claimants}, with owner {@code me}, {@code other} or {@code nobody} and claimants {@code both},
 * {@code me} or {@code other}.
 */
final class ClaimScript {
  private static final EngineId ME = new EngineId(new UUID(9, 1));
  private static final EngineId OTHER = new EngineId(new UUID(9, 2));
  private static final int BLOCK = 4096;

  private final int replicas;
  private final ClaimCore core = new ClaimCore(ME, ClaimTiming.DEFAULT);
  private final Map<Long, Long> sends = new TreeMap<>();
  private long nowNanos = 1_000_000_000L;
  private long lastCall;
  private long lastFlush;
  private long lastQuiesce;

  private ClaimScript(int replicas) {
    this.replicas = replicas;
  }

  /** Runs lines; returns them with the effects that came out, to be compared with what went in. */
  static String run(int replicas, String lines) {
    ClaimScript script = new ClaimScript(replicas);
    StringBuilder out = new StringBuilder();
    for (String line : lines.strip().lines().toList()) {
      int arrow = line.indexOf("->");
      String event = (arrow >= 0 ? line.substring(0, arrow) : line).strip();
      out.append(event).append(" -> ").append(script.take(event)).append('\n');
    }
    return out.toString();
  }

  private String take(String line) {
    String[] words = line.split("\\s+", -1);
    List<String> effects = new ArrayList<>();
    for (ClaimEffect effect : core.step(event(words))) {
      effects.add(say(effect));
    }
    if (core.nextWakeNanos() <= nowNanos) {
      // Whoever waits for it would turn in circles.
      effects.add("wants to be woken at once, again and again");
    }
    return String.join(" | ", effects);
  }

  private ClaimEvent event(String[] words) {
    long number = words.length > 1 ? Long.parseLong(words[1].replaceAll("\\..*", "")) : 0;
    long second = words.length > 2 && words[2].matches("\\d+") ? Long.parseLong(words[2]) : 0;
    ReplicaId replica = id(number);
    return switch (words[0]) {
      case "owns" -> {
        TreeSet<ReplicaId> all = new TreeSet<>();
        for (int r = 1; r <= replicas; r++) {
          all.add(id(r));
        }
        boolean isReconciled = !words[words.length - 1].equals("unreconciled");
        yield new ClaimEvent.Owns(nowNanos, stored(words), all, isReconciled);
      }
      case "write" -> wanted(number, Kind.WRITE, second, false);
      case "read" -> wanted(number, Kind.READ, second, false);
      case "flush" -> wanted(number, Kind.FLUSH, 0, false);
      case "snapshot" -> wanted(number, Kind.SNAPSHOT, 0, false);
      case "status" -> wanted(number, Kind.STATUS, 0, false);
      case "peer-read" -> wanted(number, Kind.READ, second, true);
      case "peer-status" -> wanted(number, Kind.STATUS, second, true);
      case "forward-answered" -> new ClaimEvent.ForwardAnswered(nowNanos, number);
      case "forward-refused" -> new ClaimEvent.ForwardRefused(nowNanos, number);
      case "wrote" -> new ClaimEvent.Wrote(nowNanos, sends.getOrDefault(number, 0L), id(second));
      case "data" -> new ClaimEvent.ReadDone(nowNanos, sends.getOrDefault(number, 0L));
      case "no-data" -> new ClaimEvent.ReadFailed(nowNanos, sends.getOrDefault(number, 0L));
      case "executed" -> new ClaimEvent.Executed(nowNanos, sends.getOrDefault(number, 0L));
      case "flushed" -> new ClaimEvent.MemberFlushed(nowNanos, lastFlush, replica);
      case "quiesce" -> new ClaimEvent.QuiesceAsked(nowNanos, new QuiesceId(OTHER, number));
      case "given-up" -> new ClaimEvent.QuiesceGivenUp(nowNanos, new QuiesceId(OTHER, number));
      case "stopped" ->
          new ClaimEvent.QuiesceAnswered(
              nowNanos, lastQuiesce, OTHER, number, words[2].equals("clean"));
      case "not-stopped" -> new ClaimEvent.QuiesceRefused(nowNanos, lastQuiesce);
      case "linked" -> {
        boolean hasRecord = words.length > 3 && words[3].contains(".");
        String[] record = hasRecord ? words[3].split("\\.", -1) : new String[] {"0", "0"};
        yield new ClaimEvent.Linked(
            nowNanos,
            replica,
            second,
            new RecordStamp(Long.parseLong(record[0]), Long.parseLong(record[1])),
            !words[words.length - 1].equals("restarted"));
      }
      case "broke" -> new ClaimEvent.LinkBroke(nowNanos, replica);
      case "promised" ->
          new ClaimEvent.Promised(
              nowNanos, replica, core.generation(), !words[words.length - 1].equals("restarted"));
      case "promise-refused" ->
          new ClaimEvent.PromiseRefused(nowNanos, replica, core.generation(), second);
      case "fenced" -> new ClaimEvent.Fenced(nowNanos, replica, second);
      case "heard" -> new ClaimEvent.Heard(nowNanos, replica, nowNanos);
      case "made-equal" -> new ClaimEvent.MadeEqual(nowNanos, replica);
      case "reconciled" -> new ClaimEvent.Reconciled(nowNanos, core.generation());
      case "finish" -> new ClaimEvent.FinishWanted(nowNanos, number);
      case "own" -> new ClaimEvent.OwnWanted(nowNanos);
      case "is" -> new ClaimEvent.StoreRead(nowNanos, lastCall, stored(words));
      case "set" -> new ClaimEvent.StoreSet(nowNanos, lastCall, number);
      case "conflict" -> new ClaimEvent.StoreConflict(nowNanos, lastCall, stored(words));
      case "unreachable" -> new ClaimEvent.StoreUnreachable(nowNanos, lastCall);
      case "after" -> {
        nowNanos += number * 1_000_000L;
        yield new ClaimEvent.Tick(nowNanos);
      }
      default -> throw new IllegalArgumentException(String.join(" ", words));
    };
  }

  private ClaimEvent wanted(long id, Kind kind, long block, boolean isForwarded) {
    boolean hasRange = kind == Kind.READ || kind == Kind.WRITE;
    return new ClaimEvent.Wanted(
        nowNanos,
        new ClaimRequest(
            id, kind, hasRange ? block * BLOCK : 0, hasRange ? BLOCK : 0, isForwarded));
  }

  /** {@code <word> <revision> <stamp>:<members> <taken> <owner> <claimants>}. */
  private Stored stored(String[] words) {
    String[] parts = words[2].split("[.:]", -1);
    RecordStamp stamp = new RecordStamp(Long.parseLong(parts[0]), Long.parseLong(parts[1]));
    TreeSet<ReplicaId> members = new TreeSet<>();
    parts[2].chars().forEach(digit -> members.add(id(digit - '0')));
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>();
    for (int r = 1; r <= replicas; r++) {
      if (!members.contains(id(r))) {
        left.put(id(r), stamp);
      }
    }
    TreeSet<EngineId> claimants = new TreeSet<>();
    if (!words[5].equals("other")) {
      claimants.add(ME);
    }
    if (!words[5].equals("me")) {
      claimants.add(OTHER);
    }
    return new Stored(
        Long.parseLong(words[1]),
        Optional.of(
            new VolumeRecord(
                new MembershipRecord(stamp, members, left),
                Long.parseLong(words[3]),
                words[4].equals("nobody")
                    ? Optional.empty()
                    : Optional.of(words[4].equals("me") ? ME : OTHER),
                claimants,
                VolumeRecord.Phase.MIGRATING)));
  }

  private String say(ClaimEffect effect) {
    return switch (effect) {
      case ClaimEffect.Forward(ClaimRequest request) -> "forward " + request.id();
      case ClaimEffect.RefuseForward(long id) -> "refuse " + id;
      case ClaimEffect.Answer(long id) -> "answer " + id;
      case ClaimEffect.Fail(long id, var error) -> "fail " + id + " " + error;
      case ClaimEffect.SendWrite(long send, long id, long generation, var to) -> {
        sends.put(id, send);
        yield "write " + id + " to " + digits(to) + " as " + generation;
      }
      case ClaimEffect.SendRead(long send, long id, long generation, var from, boolean isEqual) -> {
        sends.put(id, send);
        yield "read "
            + id
            + " from "
            + digits(from)
            + " as "
            + generation
            + (isEqual ? " equal first" : "");
      }
      case ClaimEffect.Execute(long send, long id, long generation) -> {
        sends.put(id, send);
        yield "execute " + id + " as " + generation;
      }
      case ClaimEffect.FlushMember(long call, ReplicaId id, long generation) -> {
        lastFlush = call;
        yield "flush " + digit(id) + " as " + generation;
      }
      case ClaimEffect.AskQuiesce(long number) -> {
        lastQuiesce = number;
        yield "stop other";
      }
      case ClaimEffect.GiveUpQuiesce _ -> "give up";
      case ClaimEffect.AnswerQuiesce(QuiesceId quiesce, long generation, boolean isClean) ->
          "have stopped "
              + quiesce.number()
              + " as "
              + generation
              + (isClean ? " clean" : " unclean");
      case ClaimEffect.RefuseQuiesce(QuiesceId quiesce) -> "serve nothing " + quiesce.number();
      case ClaimEffect.AskPromise(ReplicaId id, long generation, _) ->
          "ask " + digit(id) + " for " + generation;
      case ClaimEffect.Ping(ReplicaId id) -> "ping " + digit(id);
      case ClaimEffect.MakeEqual(ReplicaId id, _) -> "make equal " + digit(id);
      case ClaimEffect.Reconcile(_, var members) -> "reconcile " + digits(members);
      case ClaimEffect.ReadStore(long call) -> {
        lastCall = call;
        yield "look";
      }
      case ClaimEffect.SetStore(long call, long expected, VolumeRecord record) -> {
        lastCall = call;
        yield "set@" + expected + " " + say(record);
      }
      case ClaimEffect.Serving(long generation) -> "serving " + generation;
      case ClaimEffect.Lost(long generation, long by) -> "lost " + generation + " to " + by;
      case ClaimEffect.BothSidesWrite _ -> "both sides write";
      case ClaimEffect.Finished _ -> "finished";
      case ClaimEffect.Over _ -> "over";
    };
  }

  private static String say(VolumeRecord record) {
    RecordStamp stamp = record.membership().stamp();
    String claimants =
        record.claimants().size() == 2 ? "both" : record.claimants().contains(ME) ? "me" : "other";
    return stamp.generation()
        + "."
        + stamp.number()
        + ":"
        + digits(record.membership().members())
        + " "
        + record.reservedGeneration()
        + " "
        + (record.owner().equals(Optional.of(ME)) ? "me" : "other")
        + " "
        + claimants;
  }

  private static String digits(Collection<ReplicaId> ids) {
    StringBuilder text = new StringBuilder();
    ids.forEach(id -> text.append(digit(id)));
    return text.toString();
  }

  private static long digit(ReplicaId id) {
    return id.uuid().getLeastSignificantBits();
  }

  private static ReplicaId id(long digit) {
    return new ReplicaId(new UUID(0, digit));
  }
}
