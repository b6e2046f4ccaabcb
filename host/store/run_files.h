/* Which files are a run's: by their names, and, before one is written anew, by what is in them. */
#ifndef PX_RUN_FILES_H
#define PX_RUN_FILES_H

#include <perplex/status.h>

/* 1 where a folder holds a run, or what is left of one. */
int px_run_folder_is_one(const char *folder);
/* 1 for a name, without folder, that a run gives to a file of its own: config, metrics.jsonl, last.safetensors,
 * report.html, ... */
int px_run_file_is_named(const char *name);

/* Before a new run writes its config and begins metrics.jsonl: PX_ERR_ARGUMENT where the folder has files of these
 * names that are somebody's own, or the record of a run whose checkpoints are gone. What a job leaves that was killed
 * before its first checkpoint may be written over. */
px_status px_run_files_check_new(const char *folder);
/* Whether a job that goes on with a run may write its config anew: it is as perplex writes it, or not there. */
px_status px_run_config_is_ours(const char *path, int *is);
/* Whether a file that has the name of a kept checkpoint is one: by the first bytes of its header, so that a damaged one
 * is, too. */
px_status px_run_kept_is_ours(const char *path, int *is);
/* Whether it may go on with its metrics.jsonl. */
px_status px_run_metrics_is_ours(const char *path, int *is);

#endif
