package io.longhorn.engine;

import io.longhorn.api.VolumeException;
import io.longhorn.api.block.BlockDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SeekableByteChannel;

/**
 * A device as a channel of fixed size. Not for several threads at once: it has a position. Closing
 * it does not close the device.
 */
final class VolumeChannel implements SeekableByteChannel {
  private final BlockDevice device;
  private long position;
  private boolean isOpen = true;

  VolumeChannel(BlockDevice device) {
    this.device = device;
  }

  @Override
  public int read(ByteBuffer target) throws IOException {
    check();
    int length = transferable(target);
    if (length == 0) {
      return target.hasRemaining() ? -1 : 0;
    }
    return transfer(target, length, buffer -> device.read(position, buffer));
  }

  @Override
  public int write(ByteBuffer source) throws IOException {
    check();
    int length = transferable(source);
    if (length == 0 && source.hasRemaining()) {
      throw new IOException(
          "position "
              + position
              + " is at the end of a device of "
              + device.sizeBytes()
              + " bytes");
    }
    return transfer(source, length, buffer -> device.write(position, buffer));
  }

  private interface Transfer {
    void run(ByteBuffer buffer);
  }

  private int transfer(ByteBuffer buffer, int length, Transfer transfer) throws IOException {
    int limit = buffer.limit();
    buffer.limit(buffer.position() + length);
    try {
      transfer.run(buffer);
    } catch (VolumeException e) {
      throw new IOException(e.getMessage(), e);
    } finally {
      buffer.limit(limit);
    }
    position += length;
    return length;
  }

  private int transferable(ByteBuffer buffer) {
    return (int) Math.min(buffer.remaining(), Math.max(0, device.sizeBytes() - position));
  }

  private void check() throws ClosedChannelException {
    if (!isOpen) {
      throw new ClosedChannelException();
    }
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public SeekableByteChannel position(long newPosition) {
    if (newPosition < 0) {
      throw new IllegalArgumentException("position " + newPosition);
    }
    position = newPosition;
    return this;
  }

  @Override
  public long size() {
    return device.sizeBytes();
  }

  @Override
  public SeekableByteChannel truncate(long size) throws IOException {
    if (size < device.sizeBytes()) {
      throw new IOException("a volume of " + device.sizeBytes() + " bytes cannot be made smaller");
    }
    return this;
  }

  @Override
  public boolean isOpen() {
    return isOpen;
  }

  @Override
  public void close() {
    isOpen = false;
  }
}
