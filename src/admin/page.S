/* The status page, as it is in page.html. */
	.section .rodata
	.global admin_page, admin_page_end
admin_page:
	.incbin PAGE
admin_page_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
