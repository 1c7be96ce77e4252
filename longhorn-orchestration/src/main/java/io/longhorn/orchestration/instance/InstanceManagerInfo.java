package io.longhorn.orchestration.instance;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/**
 * An instance manager itself.
 *
 * @param node whose processes it starts
 * @param pid of its process
 * @param nonce identity of this run of it: when it is another one, no process of the earlier run is
 *     alive
 * @param version of its build
 */
public record InstanceManagerInfo(String node, long pid, ProcessNonce nonce, String version) {

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter().text(1, node).number(2, pid).uuid(3, nonce.uuid()).text(4, version);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static InstanceManagerInfo read(FieldReader in) {
    return new InstanceManagerInfo(
        in.text(1), in.number(2), new ProcessNonce(in.uuid(3)), in.optionalText(4).orElse(""));
  }
}
