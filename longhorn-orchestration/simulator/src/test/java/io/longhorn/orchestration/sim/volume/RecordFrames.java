package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import java.util.function.BiFunction;

/** Frames of RECORD_GET and RECORD_SET, for whoever answers them. */
public final class RecordFrames {
  /** What is answered. */
  public record Answer(IoError how, FieldWriter fields) {}

  private RecordFrames() {}

  /** Decodes a request, has it served, encodes the answer. */
  public static byte[] answer(byte[] request, BiFunction<FrameType, FieldReader, Answer> serve) {
    SimFrame frame = SimFrame.decode(request);
    Answer answer = serve.apply(frame.type(), frame.fields());
    return frame.reply(answer.how, answer.fields).encode();
  }
}
