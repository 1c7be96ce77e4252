package io.longhorn.engine.link;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Loan;
import org.jspecify.annotations.Nullable;

/** Who is told what arrives on one connection. Called on the loop. */
public interface LinkListener {
  /** Where the data of the answer goes, from index 0; null to drop it. */
  @Nullable Loan target(long sequence);

  /** Bytes a successful answer has to have, -1 for any that fit. */
  int expectedBytes(long sequence);

  /**
   * A data frame was answered; its data is in the target. CHECKSUM if it did not match its CRCs.
   */
  void answered(long sequence, IoError status, int payloadLength);

  /**
   * The connection is over; nothing of it touches memory any more. Every control frame was answered
   * DISCONNECTED before. Called once.
   */
  void closed(String reason);
}
