#include "common/settings.h"

const struct setting_row setting_rows[] = {
#define SETTING(field, key, type, def, min, max, unit, sentence)                                                       \
	{ key, SETTING_##type, def, min, max, unit, sentence, offsetof(struct settings, field) },
#include "common/settings.def"
#undef SETTING
};

const size_t setting_row_count = ARRAY_LEN(setting_rows);

void settings_defaults(struct settings *out)
{
	for (size_t i = 0; i < setting_row_count; i++)
		setting_set(out, &setting_rows[i], setting_rows[i].def);
}

const struct setting_row *setting_find(struct span key)
{
	for (size_t i = 0; i < setting_row_count; i++)
		if (span_eq(key, span_str(setting_rows[i].key)))
			return &setting_rows[i];
	return NULL;
}

void setting_set(struct settings *s, const struct setting_row *row, uint64_t value)
{
	memcpy((char *)s + row->offset, &value, sizeof(value));
}

uint64_t setting_get(const struct settings *s, const struct setting_row *row)
{
	uint64_t value;

	memcpy(&value, (const char *)s + row->offset, sizeof(value));
	return value;
}
