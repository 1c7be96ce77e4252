package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.util.List;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * An instance as its instance manager sees it.
 *
 * @param spec what was asked for
 * @param uuid identity of this run of it
 * @param state where it is
 * @param errorMessage why it is in {@link InstanceState#ERROR}, one line with the last line the
 *     process printed; else empty
 * @param addresses where it serves, as it has printed; empty until it is running
 * @param pid of the process; 0 before there is one
 * @param startedMillis when it was asked for, of the node's clock, since 1970
 * @param exitCode of a process that has ended: 128 + N if signal N ended it
 */
public record InstanceStatus(
    InstanceSpec spec,
    UUID uuid,
    InstanceState state,
    String errorMessage,
    List<String> addresses,
    long pid,
    long startedMillis,
    OptionalInt exitCode) {

  /** Copies. */
  public InstanceStatus {
    addresses = List.copyOf(addresses);
  }

  /** The name of the instance. */
  public String name() {
    return spec.name();
  }

  /** Encodes. */
  public FieldWriter write() {
    FieldWriter out =
        new FieldWriter()
            .nested(1, spec.write())
            .uuid(2, uuid)
            .number(3, state.code())
            .text(4, errorMessage)
            .number(6, pid)
            .number(7, startedMillis);
    addresses.forEach(address -> out.nested(5, new FieldWriter().text(1, address)));
    exitCode.ifPresent(code -> out.number(8, code));
    return out;
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static InstanceStatus read(FieldReader in) {
    return new InstanceStatus(
        InstanceSpec.read(in.nested(1)),
        in.uuid(2),
        InstanceState.ofCode(in.intNumber(3)),
        in.optionalText(4).orElse(""),
        InstanceSpec.texts(in, 5),
        in.number(6, 0),
        in.number(7, 0),
        in.has(8) ? OptionalInt.of(in.intNumber(8)) : OptionalInt.empty());
  }
}
