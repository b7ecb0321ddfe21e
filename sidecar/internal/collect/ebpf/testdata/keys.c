/* Preloaded: takes so many pthread keys that the interpreter's comes after the first 32. */
#include <pthread.h>

__attribute__((constructor)) static void take(void)
{
	pthread_key_t key;

	for (int i = 0; i < 40; i++)
		pthread_key_create(&key, NULL);
}
