/** What people ask of a running cluster, as values, and the client that asks. */
@NullMarked
package io.longhorn.orchestration.command;

import org.jspecify.annotations.NullMarked;
