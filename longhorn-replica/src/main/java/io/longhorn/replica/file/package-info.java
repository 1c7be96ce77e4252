/**
 * What the store needs of a file system, and nothing more: {@link FileLayer}, {@link FileDirectory}
 * and {@link DiskFile}; on Linux, in memory, and with faults.
 *
 * <p>Operating errors are values ({@link io.longhorn.api.IoError}), except where a directory is
 * opened or changed by name, which throws {@link DiskException}. Any thread.
 */
@NullMarked
package io.longhorn.replica.file;

import org.jspecify.annotations.NullMarked;
